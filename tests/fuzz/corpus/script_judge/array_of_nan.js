fetch(new Array(NaN));fetch((0/0).toString(16));
