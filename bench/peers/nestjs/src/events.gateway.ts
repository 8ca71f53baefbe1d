import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import type { Server, Socket } from 'socket.io';

/** Socket.IO on the port of HTTP, with its defaults: no compression, rooms in memory. */
@WebSocketGateway()
export class EventsGateway {
  @WebSocketServer()
  private readonly server: Server;

  @SubscribeMessage('join')
  async join(@ConnectedSocket() socket: Socket, @MessageBody() body: { room: string }) {
    await socket.join(body.room);
    return { ok: true, room: body.room };
  }

  /** Hand an event to the sockets of a room, or to all. */
  emit(event: string, data: Record<string, unknown>, room?: string): void {
    if (room === undefined) this.server.emit(event, data);
    else this.server.to(room).emit(event, data);
  }

  /** The ids of those sockets, from the adapter's own sets: cheaper than `fetchSockets()`. */
  recipients(room?: string): Iterable<string> {
    if (room === undefined) return this.server.of('/').sockets.keys();
    return this.server.of('/').adapter.rooms.get(room) ?? [];
  }
}
