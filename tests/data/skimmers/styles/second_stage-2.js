(function (d, s) {
  var %N1% = d.createElement(s), %N2% = d.getElementsByTagName(s)[0];
  %N1%.async = 1;
  %N1%.src = 'https://%HOST%/%PATH%.js';
  %N2%.parentNode.insertBefore(%N1%, %N2%);
})(document, 'script');
