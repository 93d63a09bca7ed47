// The shop's own script: sends the payment form to the shop, and nowhere else.
(function () {
  "use strict";
  var form = document.getElementById("payment");
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    fetch(form.action, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(form)))
    }).then(function (answer) {
      document.title = answer.ok ? "Thank you" : "Please try again";
    });
  });
})();
