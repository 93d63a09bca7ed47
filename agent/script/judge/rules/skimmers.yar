// Rules for card skimmers in scripts, written after published reports of their techniques (Sansec,
// RiskIQ, Malwarebytes). Each asks for parts that checkouts do not have together. A match is a fact;
// `severity = "critical"` makes a change that gains it critical.

rule skimmer_atob_beacon {
  meta:
    description = "decodes an address and sends a form's fields there"
    severity = "critical"
  strings:
    $decode = /atob\(['"][A-Za-z0-9+\/]{12,}={0,2}['"]\)/
    $card = /(card.?num|cc.?num|cvv|cvc)/ nocase
    $send1 = "sendBeacon"
    $send2 = /new Image\(?\)?/
    $send3 = "XMLHttpRequest"
    $send4 = "fetch("
  condition:
    $decode and $card and any of ($send*) and filesize < 200KB
}

rule skimmer_form_grabber_image {
  meta:
    description = "collects fields into a picture's address"
    severity = "critical"
  strings:
    $fields = /querySelectorAll\(["'`](input|select|textarea)[^"'`]{0,40}["'`]\)/
    $image = /new Image\(?\)?[^;]{0,40}\.src\s*=\s*["'`]https?:\/\/[^;]{4,120}\+\s*(btoa|encodeURIComponent|escape)\(/
  condition:
    $fields and $image
}

rule skimmer_fake_analytics_loader {
  meta:
    description = "loads a script from a name like an analytics service's, on checkout pages"
    severity = "critical"
  strings:
    $page = /(location\.(href|pathname)|document\.URL)[^;]{0,40}(checkout|onepage|onestepcheckout|firecheckout)/ nocase
    $load = /createElement\(["'`]script["'`]\)/
    $decoded = /(atob|fromCharCode|unescape)\s*\(/
  condition:
    $page and $load and $decoded and filesize < 100KB
}

rule skimmer_devtools_guard {
  meta:
    description = "is quiet while developer tools are open, and reads card fields"
    severity = "critical"
  strings:
    $size1 = /outerWidth\s*-\s*(window\.)?innerWidth\s*>\s*(0x)?[0-9a-f]{2,4}/ nocase
    $size2 = /outerHeight\s*-\s*(window\.)?innerHeight\s*>\s*(0x)?[0-9a-f]{2,4}/ nocase
    $card = /(card[-_]?num|cc[-_]?num|cvv|\bcvc\b)/ nocase
  condition:
    any of ($size*) and $card and filesize < 500KB
}

rule skimmer_grelos_fake_form {
  meta:
    description = "puts a payment form of its own in front of the page's"
    severity = "critical"
  strings:
    $hide = /(style\.display\s*=\s*["'`]none["'`]|\.hide\(\))/
    $form = /<input[^>]{0,80}(cc[-_]?num|card[-_]?num|cvv)/ nocase
    $send = /(sendBeacon|new Image|XMLHttpRequest|fetch\()/
  condition:
    all of them and filesize < 500KB
}

rule obfuscated_string_table_sender {
  meta:
    description = "table of strings behind hexadecimal names"
  strings:
    $names = /_0x[0-9a-f]{4,6}=\[['"]/
    $rotation = /\['push'\]\([\w$]{1,12}\['shift'\]\(\)\)/
  condition:
    all of them
}
