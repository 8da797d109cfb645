import type { AnsweredSignal } from '../../domain/carrier-replies.js';
import type { SendHttp } from './send-http.js';

export type SendChannel = 'sms' | 'email' | 'chat' | 'push';

/** A text that is kept at the provider. */
export interface SendTemplate {
  /** Or ID, as the provider calls it. */
  readonly name: string;
  /** As the provider writes it, e.g. `en_US`. */
  readonly language: string;
  /** In the order of the template's placeholders; where they have names, `SendContent.data` fills them. */
  readonly parameters: readonly string[];
}

/** What a message says. Missing texts are empty. */
export interface SendContent {
  readonly text: string;
  readonly html: string;
  /** Email. */
  readonly subject: string;
  /** Push. */
  readonly title: string;
  readonly mediaUrls: readonly string[];
  readonly template: SendTemplate | undefined;
  /** Named values: for the receiving app (push), for a template with names (email). */
  readonly data: Readonly<Record<string, string>>;
  /** Where one POST takes the recipient off the list; email. */
  readonly unsubscribeUrl: string;
}

/** What `PUT …/credentials` stored. Checked by each adapter; never logged. */
export type SendCredentials = Readonly<Record<string, unknown>>;

/** One message to send. */
export interface SendRequest {
  /** `msg_…`: our reference at the provider, where it keeps one. */
  readonly messageId: string;
  readonly channel: SendChannel;
  /** As the provider writes addresses of the channel: E.164, mailbox, registration token. */
  readonly to: string;
  /** Our side: number, sender ID, mailbox; the ID of a pool or phone number where the provider has these. */
  readonly from: string;
  readonly content: SendContent;
  readonly credentials: SendCredentials;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Empty: the provider's own. */
  readonly apiBaseUrl: string;
  /** Where the provider reports what became of it; empty: nowhere. */
  readonly statusCallbackUrl: string;
}

/** What a refusal says of the recipient. */
export type SendSignal = '' | 'opt_out' | 'hard_bounce';

/** How a send ended. Details are for people and hold no personal data: never a provider's own sentence. */
export type SendResult =
  | {
      readonly kind: 'sent';
      /** Empty where the provider gives none. */
      readonly providerMessageId: string;
      readonly state: 'accepted' | 'queued' | 'sent';
    }
  /** The provider said no: nothing was sent. */
  | {
      readonly kind: 'refused';
      /** The provider's own code, or `request.invalid` and `credentials.invalid` of ours. */
      readonly errorCode: string;
      readonly detail: string;
      readonly signal: SendSignal;
      /** Whether the same request may succeed later. */
      readonly isRetryable: boolean;
      readonly retryAfterMs?: number;
    }
  /** Provably never reached the provider. */
  | {
      readonly kind: 'not_sent';
      readonly detail: string;
      readonly retryAfterMs?: number;
      /** It was not too late at the provider, but with us. */
      readonly isPermitOver?: boolean;
    }
  /** It left us; what became of it is not known. */
  | { readonly kind: 'unknown'; readonly detail: string };

/** Which message is asked for. */
export interface FindQuery {
  readonly messageId: string;
  readonly channel: SendChannel;
  readonly to: string;
  readonly from: string;
  readonly content: SendContent;
  /** When its `send` began; Unix milliseconds. */
  readonly sentAtMs: number;
  readonly credentials: SendCredentials;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly apiBaseUrl: string;
}

/** What the provider knows of a message. */
export type FindResult =
  /** Where the provider keeps no reference of ours, another message may have this ID already: then it is not ours. */
  | {
      readonly kind: 'found';
      readonly providerMessageId: string;
      /** In the provider's words. */
      readonly state: string;
    }
  /** It does not have it. Final once the send's timeout and the visibility lag are over. */
  | { readonly kind: 'not_found' }
  | { readonly kind: 'unknown'; readonly detail: string };

/** How messages are sent through one provider. */
export interface SendAdapter {
  readonly provider: string;
  readonly channels: readonly SendChannel[];
  /** The longest a `send` takes after its first byte. */
  readonly timeoutMs: number;
  /** How long after a `send` its message may still be missing from `find`. */
  readonly visibilityLagMs: number;
  /** Of one source, unless its settings say otherwise. */
  readonly ratePerSecond: number;
  /** What it answers by itself to somebody's text message, unless the source's settings say otherwise; absent = nothing. */
  readonly repliesByItself?: readonly AnsweredSignal[];
  /** Sends once. Never throws: whatever happens is its result. */
  send(http: SendHttp, request: SendRequest): Promise<SendResult>;
  /** Asks for a message by our reference; absent where the provider cannot be asked. Never throws. */
  find?(http: SendHttp, query: FindQuery): Promise<FindResult>;
}
