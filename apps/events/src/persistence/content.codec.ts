import { EventContent } from '@posthorn/contracts/posthorn/events/v1/events.js';

/** Personal data of an event. Missing texts are empty. */
export interface Content {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly subject: string;
  readonly mediaUrls: readonly string[];
}

/** The plaintext of the column `content.body`, as ingress makes it too. */
export const encodeContent = (content: Content): Buffer =>
  Buffer.from(EventContent.encode({ ...content, mediaUrls: [...content.mediaUrls] }).finish());

/** @throws Error when the bytes are no such message. */
export const decodeContent = (bytes: Buffer): Content => EventContent.decode(bytes);
