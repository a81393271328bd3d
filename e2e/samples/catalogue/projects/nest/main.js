require("reflect-metadata");
const { Controller, Get, Module } = require("@nestjs/common");
const { NestFactory } = require("@nestjs/core");

class Bills {
  list() {
    return [];
  }
}
Controller()(Bills);
Get()(Bills.prototype, "list", Object.getOwnPropertyDescriptor(Bills.prototype, "list"));

class App {}
Module({ controllers: [Bills] })(App);

NestFactory.create(App, { logger: false }).then((app) => app.listen("/tmp/billing.sock"));
