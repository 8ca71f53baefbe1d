import { Body, Controller, Get, HttpCode, Logger, Post } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { BatchDto, EventDto } from './event.dto.js';
import { EventsGateway } from './events.gateway.js';

const SILENT = process.env.BENCH_SILENT === '1';

@Controller()
export class EventsController {
  private readonly logger = new Logger('Events');

  constructor(private readonly gateway: EventsGateway) {}

  @Post('events')
  @HttpCode(202)
  publish(@Body() body: EventDto) {
    return this.publishOne(body);
  }

  @Post('events/batch')
  @HttpCode(202)
  publishBatch(@Body() body: BatchDto) {
    return { results: body.events.map((event) => this.publishOne(event)) };
  }

  @Get('health/live')
  live() {
    return { status: 'live' };
  }

  private publishOne({ event, data, room }: EventDto) {
    this.gateway.emit(event, data, room);
    const id = randomUUID();
    if (!SILENT) this.log(event, id, room);
    return { id, event, rooms: room === undefined ? [] : [room] };
  }

  /** A line for the event and one for every recipient, as Herald writes them. */
  private log(event: string, id: string, room?: string): void {
    this.logger.log(`[${event}] id: ${id}`);
    for (const sid of this.gateway.recipients(room)) {
      this.logger.log(`[${event}] event sent to: ${sid}`);
    }
  }
}
