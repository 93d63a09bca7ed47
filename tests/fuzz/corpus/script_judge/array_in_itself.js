function f(n){var a=[];a[0]=a;return a-1} fetch(f(1));
