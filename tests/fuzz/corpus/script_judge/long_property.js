function f(n){var a="a".repeat(1e5),s=a+a+a+a+a+a+a+a+a+a;for(;;){var o={};o[s]=1}} fetch(f(1));
