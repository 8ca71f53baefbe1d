import 'reflect-metadata';
import { Module, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { EventsController } from './events.controller.js';
import { EventsGateway } from './events.gateway.js';

const KEEP_ALIVE_MS = 100_000; // as Herald: the client must not find its connection closed

@Module({ controllers: [EventsController], providers: [EventsGateway] })
class AppModule {}

const silent = process.env.BENCH_SILENT === '1';
const app = await NestFactory.create<NestExpressApplication>(AppModule, {
  logger: silent ? false : ['log', 'warn', 'error', 'fatal'],
});
app.useBodyParser('json', { limit: '1mb' }); // as Herald
app.useGlobalPipes(
  new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }),
);
app.getHttpServer().keepAliveTimeout = KEEP_ALIVE_MS;
await app.listen(Number(process.env.PORT), '127.0.0.1');
