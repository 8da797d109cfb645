/** The part that is used of a library without types of its own. */
declare module 'nodemailer' {
  interface Mail {
    readonly from: string;
    readonly to: string;
    readonly subject: string;
    readonly text: string;
    readonly messageId: string;
    readonly date: Date;
    readonly headers: Readonly<Record<string, string>>;
  }
  interface Transporter {
    sendMail(mail: Mail): Promise<unknown>;
    close(): void;
  }
  export function createTransport(url: string, defaults?: object): Transporter;
}
