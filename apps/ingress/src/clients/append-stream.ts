import type { Duplex } from 'node:stream';
import { AppendServiceService } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { GrpcChannel, openStream } from '@posthorn/server/grpc-client.js';
import { encodeAppendRequest } from './intake-message.js';

const APPEND = { ...AppendServiceService.append, requestSerialize: encodeAppendRequest };

/** The connection to events. */
export class EventsChannel extends GrpcChannel {}

/**
 * Starts a stream to the event log.
 * @throws AppError `service.unavailable` when it cannot be reached.
 */
export async function openAppendStream(channel: EventsChannel): Promise<Duplex> {
  const stream = (await openStream(channel, APPEND)) as Duplex & { cancel(): void };
  // grpc-js leaves the call open when its stream is destroyed: a peer that hangs would collect such calls.
  stream.once('close', () => stream.cancel());
  return stream;
}
