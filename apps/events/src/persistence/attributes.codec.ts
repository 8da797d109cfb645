import { EventAttributes as Attributes } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { EventAttributes } from '../domain/intake.js';

/**
 * Event attributes as the log stores them: the proto message.
 * Why here and not in transport: it is the format of a column, read for as long as the rows are kept, and proto's
 * rules (fields are only added) are what a column of that age needs. It takes a third of the columns' cost.
 */
export const encodeAttributes = (attributes: EventAttributes | undefined): Buffer =>
  attributes === undefined ? EMPTY : Buffer.from(Attributes.encode(attributes).finish());

/** @throws Error when the bytes are no such message. */
export const decodeAttributes = (bytes: Buffer): EventAttributes => Attributes.decode(bytes);

// An empty value would be stored as NULL: this is field 13 (`note`), empty.
const EMPTY = Buffer.from([0x6a, 0x00]);
