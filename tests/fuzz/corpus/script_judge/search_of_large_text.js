function f(n){var a="a".repeat(1e5),s=a+a+a+a+a+a+a+a+a+a,p=a+a+a+a+a+"b";for(var i=0;i<1e4;i++)s.indexOf(p);return s} fetch(f(1));
