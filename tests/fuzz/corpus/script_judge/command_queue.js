(function(w,d){w.q=w.q||[];w.track=function(){var a=[].slice.call(arguments);a.unshift("t");w.q.push(a)};fetch("https://a.example/t")})(window,document);
