import { sentenceOf } from '../backend/backend';

/** Something that a person does on a page, one at a time, with what came of it. */
export class Action {
  /** What is being done; empty when nothing is. */
  busy = $state('');
  error = $state('');
  /** What was done: a sentence. */
  done = $state('');

  /** Does it; `what` names the button that is busy. `act` may answer with a sentence. */
  async run(what: string, act: () => Promise<string | void>): Promise<void> {
    if (this.busy) return;
    this.busy = what;
    this.error = '';
    this.done = '';
    try {
      this.done = (await act()) ?? '';
    } catch (error) {
      this.error = sentenceOf(error);
    } finally {
      this.busy = '';
    }
  }
}
