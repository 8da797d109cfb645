import { RawRequest } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type {
  AppendRequest,
  EventAttributes,
  IntakeEvent,
  IntakeRequest,
  MessagePart,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { ProtoWriter } from './proto-writer.js';

/** Field tags, lengths and small fields of a request, and of an event in it. */
const FIXED_BYTES = 320;
const HEADER_FRAMING_BYTES = 4;

/** The plaintext of a request's `raw` (`RawRequest`): all that is needed to judge it again. */
export function encodeRawRequest(
  method: string,
  target: string,
  headers: readonly string[],
  body: Buffer,
): Buffer {
  let headerBytes = 0;
  for (const header of headers) headerBytes += header.length * 3 + HEADER_FRAMING_BYTES;
  const writer = new ProtoWriter(FIXED_BYTES + target.length * 3 + headerBytes + body.length);
  writer.text(0x0a, method);
  writer.text(0x12, target);
  for (const header of headers) writer.item(0x1a, header);
  writer.blob(0x22, body);
  return writer.finish();
}

/** What a refused request has to be judged by again. */
interface Judged {
  readonly method: string;
  readonly target: string;
  readonly rawHeaders: readonly string[];
  readonly host: string;
  readonly traceparent: string | undefined;
  readonly remoteAddress: string;
  readonly isEncrypted: boolean;
  readonly clientCertificate: Buffer | undefined;
  readonly body: Buffer;
}

/** The plaintext of a refused request's `raw`. */
export const encodeRefusedRequest = ({ rawHeaders, ...rest }: Judged): Buffer =>
  Buffer.from(RawRequest.encode({ ...rest, headers: [...rawHeaders] }).finish());

/** @param traceparent is kept beside it. @throws Error when the bytes are no such request. */
export function decodeRefusedRequest(bytes: Buffer, traceparent: string): Judged {
  const raw = RawRequest.decode(bytes);
  const host = raw.headers.findIndex((each, index) => index % 2 === 0 && each.toLowerCase() === 'host');
  return {
    ...{ method: raw.method, target: raw.target, rawHeaders: raw.headers, body: raw.body },
    host: host === -1 ? '' : raw.headers[host + 1]!,
    traceparent: traceparent === '' ? undefined : traceparent,
    remoteAddress: raw.remoteAddress ?? '',
    isEncrypted: raw.isEncrypted === true,
    clientCertificate: raw.clientCertificate,
  };
}

/** The plaintext of an event's `content` (`EventContent`): its personal data. */
export function encodeEventContent(content: {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly subject: string;
  readonly mediaUrls: readonly string[];
}): Buffer {
  const writer = new ProtoWriter(FIXED_BYTES + content.text.length * 3);
  writer.text(0x0a, content.from);
  writer.text(0x12, content.to);
  writer.text(0x1a, content.text);
  writer.text(0x22, content.subject);
  for (const url of content.mediaUrls) writer.item(0x2a, url);
  return writer.finish();
}

/** Bytes that a request takes in a batch; a little more rather than less. */
export function intakeRequestSize({ raw, events }: IntakeRequest): number {
  let bytes = FIXED_BYTES + raw.length;
  for (const { content } of events) bytes += FIXED_BYTES + content.length;
  return bytes;
}

/** A batch as it goes over the wire. */
export function encodeAppendRequest({ batch, requests }: AppendRequest): Buffer {
  let size = FIXED_BYTES;
  for (const request of requests) size += intakeRequestSize(request);
  const writer = new ProtoWriter(size);
  writer.integer(0x08, Number(batch));
  for (const request of requests) writeRequest(writer, request);
  return writer.finish();
}

function writeRequest(writer: ProtoWriter, request: IntakeRequest): void {
  const start = writer.open(0x12);
  writer.blob(0x0a, request.requestId);
  writer.blob(0x12, request.tenantId);
  writer.blob(0x1a, request.sourceId);
  writer.text(0x22, request.provider);
  writer.blob(0x2a, request.secretId);
  writer.double(0x31, request.receivedAtMs);
  writer.blob(0x3a, request.dataKeyId);
  writer.blob(0x42, request.raw);
  writer.text(0x4a, request.traceparent);
  for (const event of request.events) writeEvent(writer, event);
  // Rare: of schemes that do not sign the body.
  if (request.nonceHash !== undefined) writer.presentBlob(0x5a, request.nonceHash);
  writer.close(start);
}

function writeEvent(writer: ProtoWriter, event: IntakeEvent): void {
  const start = writer.open(0x52);
  writer.blob(0x0a, event.eventId);
  writer.blob(0x12, event.dedupHash);
  writer.text(0x1a, event.type);
  writer.integer(0x20, event.shard);
  writer.blob(0x2a, event.personHash);
  writer.double(0x31, event.occurredAtMs);
  if (event.attributes !== undefined) writeAttributes(writer, event.attributes);
  writer.blob(0x42, event.content);
  // Rare: of adapters that changed their derivation.
  for (const hash of event.formerDedupHashes) writer.presentBlob(0x4a, hash);
  writer.close(start);
}

function writeAttributes(writer: ProtoWriter, attributes: EventAttributes): void {
  const start = writer.open(0x3a);
  writer.text(0x0a, attributes.providerEventId);
  writer.text(0x12, attributes.providerMessageId);
  writer.text(0x1a, attributes.channel);
  writer.text(0x22, attributes.direction);
  writer.text(0x2a, attributes.status);
  writer.text(0x32, attributes.providerStatus);
  writer.text(0x3a, attributes.errorCode);
  writer.text(0x42, attributes.campaign);
  writer.text(0x4a, attributes.signal);
  writer.blob(0x52, attributes.conversationHash);
  writer.text(0x5a, attributes.providerType);
  writer.blob(0x62, attributes.causedBy);
  writer.text(0x6a, attributes.note);
  writer.blob(0x72, attributes.messageId);
  writer.text(0x7a, attributes.replyToProviderMessageId);
  if (attributes.program !== undefined) writer.item(0x82, attributes.program);
  if (attributes.mediaCount !== undefined) writer.integer(0x88, attributes.mediaCount);
  if (attributes.part !== undefined) writePart(writer, attributes.part);
  if (attributes.queue !== undefined) writer.item(0x9a, attributes.queue);
  if (attributes.priority !== undefined) writer.presentInteger(0xa0, attributes.priority);
  writer.close(start);
}

function writePart(writer: ProtoWriter, { textHash, number, total }: MessagePart): void {
  const start = writer.open(0x92);
  writer.blob(0x0a, textHash);
  writer.integer(0x10, number);
  writer.integer(0x18, total);
  writer.close(start);
}
