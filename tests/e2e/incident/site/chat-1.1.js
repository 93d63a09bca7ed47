/* Chat 1.1 */
!function(e){var t={};function n(r){if(t[r])return t[r].exports;var o=t[r]={exports:{}};return e[r](o,o.exports,n),o.exports}n(0)}([
function(e,t,n){var r=n(1),o=n(2),i=n(3);i.onReady(function(){o.button("Questions? Chat with us",i.once(function(){r.send("open",location.pathname)})),r.send("hello",location.pathname)})},
function(e,t){var n=new URL(document.currentScript.src).origin;t.send=function(e,t){return fetch(n+"/session",{method:"POST",body:JSON.stringify({type:e,data:t})}).catch(function(){})}},
function(e,t){t.button=function(e,t){var n=document.createElement("button");n.type="button",n.className="chat",n.textContent=e,n.setAttribute("aria-label","Open the chat"),n.addEventListener("click",t),document.body.appendChild(n)}},
function(e,t){t.onReady=function(e){"loading"===document.readyState?document.addEventListener("DOMContentLoaded",e):e()},t.once=function(e){var t=!1;return function(){t||(t=!0,e())}}}
]);
