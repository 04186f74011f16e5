"""What a chapter says, as a catalogue that translators know: taken out of its source, and put back in their language.

One function walks through each kind of text, and is asked twice: a recorder takes every text out, a catalogue puts the
translations in. So what is taken out and what is put in can never be two things.
"""
