/** Colour of words, and what of a foreign text may reach a terminal. */

export type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'dim' | 'bold' | 'plain';

const CODES: Record<Tone, string> = {
  good: '32',
  bad: '31',
  warn: '33',
  busy: '36',
  dim: '2',
  bold: '1',
  plain: '',
};

export function paint(text: string, tone: Tone, colour: boolean): string {
  return colour && CODES[tone] !== '' && text !== '' ? `\u001b[${CODES[tone]}m${text}\u001b[0m` : text;
}

const TONES: Readonly<Record<string, Tone>> = {
  success: 'good',
  error: 'bad',
  timeout: 'bad',
  lost: 'bad',
  cancelled: 'warn',
  inprogress: 'busy',
  running: 'busy',
  queued: 'plain',
  skip: 'dim',
  waiting: 'dim',
};

export function toneOf(status: string): Tone {
  return TONES[status] ?? 'plain';
}

/** `inprogress` is the word of the keys; people read `running`. */
export function statusWord(status: string): string {
  return status === 'inprogress' ? 'running' : status;
}

/** Whoever may write our keys may write escape sequences into a reason. */
export function clean(text: string): string {
  return text
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll('\t', ' ')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '·');
}
