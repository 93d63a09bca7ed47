function f(n){var a=[];a[25000]=1;for(;;){var b=[...a]}} fetch(f(1));
