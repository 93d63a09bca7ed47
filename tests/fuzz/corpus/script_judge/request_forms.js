fetch(new Request("https://a.example/v1",{}));fetch(new URL("/v1","https://b.example/"));axios.create({baseURL:"https://c.example"});
