import { createTransport, type Mail } from 'nodemailer';

const TIMEOUT_MS = 20_000;
const SMTP_STATUS_MAX = 599;

/** The platform's mail relay, if it has one. */
export class MailRelay {
  private readonly transport;

  /** @param url `smtp://` or `smtps://`, with the login; empty: there is none. @param from the sender's address. */
  constructor(
    url: string,
    private readonly from: string,
  ) {
    if (url === '') return;
    const timeouts = {
      connectionTimeout: TIMEOUT_MS,
      greetingTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
    };
    // Only what we wrote goes out: no file and no URL is read for a mail.
    this.transport = createTransport(url, { ...timeouts, disableFileAccess: true, disableUrlAccess: true });
  }

  get isThere(): boolean {
    return this.transport !== undefined;
  }

  /** @throws Error whose text may name addresses; `reasonOf` tells it without. */
  async send(mail: Omit<Mail, 'from'>): Promise<void> {
    if (this.transport === undefined) throw new Error('no relay');
    await this.transport.sendMail({ ...mail, from: this.from });
  }

  onApplicationShutdown(): void {
    this.transport?.close();
  }
}

/** Why a mail was not taken, without any address. */
export function smtpReasonOf(error: unknown): string {
  const { responseCode, code } = error as { readonly responseCode?: unknown; readonly code?: unknown };
  if (typeof responseCode === 'number' && responseCode > 0 && responseCode <= SMTP_STATUS_MAX)
    return `SMTP ${responseCode}`;
  return typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? code : 'not sent';
}
