import { EventContent, RawRequest } from '@posthorn/contracts/posthorn/events/v1/events.js';

/** The plaintext of a request's `raw`: all that is needed to judge it again. */
export const encodeRawRequest = (
  method: string,
  target: string,
  headers: readonly string[],
  body: Buffer,
): Uint8Array => RawRequest.encode({ method, target, headers: headers as string[], body }).finish();

/** The plaintext of an event's `content`: its personal data. */
export const encodeEventContent = (content: {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly subject: string;
  readonly mediaUrls: readonly string[];
}): Uint8Array => EventContent.encode({ ...content, mediaUrls: content.mediaUrls as string[] }).finish();
