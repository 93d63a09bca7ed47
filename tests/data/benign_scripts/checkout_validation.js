// A shop's own check of a card field before the form goes to the processor's frame. It knows cards
// and sends nothing.
export function isCardNumber(text) {
  const digits = text.replace(/[\s-]/g, '');
  if (!/^\d{13,19}$/.test(digits)) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let d = Number(digits[digits.length - 1 - i]);
    if (i % 2 === 1) {
      d *= 2;
      if (d > 9) d -= 9;
    }
    sum += d;
  }
  return sum % 10 === 0;
}
document.querySelector('#cardnumber').addEventListener('input', (event) => {
  event.target.classList.toggle('invalid', !isCardNumber(event.target.value));
});
