//! A year, day by day.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use docvault::{
    CaseId, Clock, Timestamp,
    intake::{
        CaseFile, Command, Date, Desk, Key, NewSubmission, Reminder, ReminderKind, Standing, UtcOffset,
    },
};

use crate::papers;

/// A clock that the example turns: nine in the morning of some day, in Mexico City.
#[derive(Debug, Clone)]
pub(crate) struct Calendar(Arc<AtomicU64>);

impl Calendar {
    pub(crate) fn at(day: Date) -> Self {
        Self(Arc::new(AtomicU64::new(day.start(UtcOffset::default()).as_millis() + 15 * HOUR)))
    }

    fn next_day(&self) {
        self.0.fetch_add(24 * HOUR, Ordering::SeqCst);
    }
}

impl Clock for Calendar {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

const HOUR: u64 = 3_600_000;

/// Everyone who takes part, and what was seen.
pub(crate) struct Year {
    calendar: Calendar,
    case: CaseId,
    employee: Desk,
    office: [Desk; 2],
    last_run: Timestamp,
    editions: u32,
    reminders: usize,
    renewals: usize,
    expired_days: usize,
}

impl Year {
    pub(crate) fn new(calendar: Calendar, case: CaseId, employee: Desk, office: [Desk; 2]) -> Self {
        let last_run = calendar.now();
        let (editions, reminders, renewals, expired_days) = (0, 0, 0, 0);
        Self { calendar, case, employee, office, last_run, editions, reminders, renewals, expired_days }
    }

    /// Lives the year; fails unless what should have happened has.
    pub(crate) async fn live(&mut self) -> Result<(), Box<dyn Error>> {
        for day in 1..=365 {
            self.calendar.next_day();
            let file = self.office[0].case(self.case).await?;
            let status = file.status(self.calendar.now())?;
            self.remind(&file).await?;
            if day % 2 == 0 {
                self.hand_in_next(&file).await?;
            }
            if status.complete && status.completed.is_none() && self.renewals == 0 {
                self.office[0].act(self.case, Command::Complete).await?;
                println!("{}  complete: everything required is approved and valid", self.today());
            }
            self.expired_days += usize::from(status.totals.expired > 0);
        }
        let file = self.office[0].case(self.case).await?;
        let status = file.status(self.calendar.now())?;
        println!(
            "\nAfter a year: {} per cent, {} renewals, {} reminders sent, {} days on which something had expired.",
            status.percent, self.renewals, self.reminders, self.expired_days
        );
        assert!(status.complete, "the file is whole again at the end of the year");
        assert!(self.renewals >= 2 && self.reminders > 10 && self.expired_days > 0);
        Ok(())
    }

    /// Sends each reminder once, however often this runs; what is about to expire is renewed, one paper too late.
    async fn remind(&mut self, file: &CaseFile) -> Result<(), Box<dyn Error>> {
        let now = self.calendar.now();
        for Reminder { requirement, since, kind, .. } in file.due_reminders(now)? {
            let renew = match kind {
                ReminderKind::Expired(_) => true,
                ReminderKind::Expiring(_) => requirement.as_str() != "medical_certificate",
                _ => false,
            };
            if since > self.last_run {
                self.reminders += 1;
                println!("{}  reminder: {requirement} {}", self.today(), words(kind));
            }
            if renew && since.as_millis() + 5 * 24 * HOUR < now.as_millis() {
                self.hand_in(file, &requirement).await?;
                self.renewals += 1;
                println!("{}  renewed: {requirement}", self.today());
            }
        }
        self.last_run = now;
        Ok(())
    }

    /// Hands in the first thing that is asked for and not there.
    async fn hand_in_next(&mut self, file: &CaseFile) -> Result<(), Box<dyn Error>> {
        let status = file.status(self.calendar.now())?;
        let open = |standing| matches!(standing, Standing::Missing | Standing::Rejected);
        let required = status.requirements.iter().find(|one| one.required && open(one.standing));
        // Nothing single is missing: one of those of which any will do.
        let any = status.rules.iter().zip(file.template().rules()).find(|(rule, _)| !rule.is_satisfied());
        let next =
            required.map(|one| &one.requirement).or_else(|| any.and_then(|(_, rule)| rule.of().first()));
        if let Some(next) = next {
            self.hand_in(file, next).await?;
            println!("{}  handed in and approved: {next}", self.today());
        }
        Ok(())
    }

    /// Hands in what a requirement asks for, and has it attested and approved by as many as it takes.
    async fn hand_in(&mut self, file: &CaseFile, key: &Key) -> Result<(), Box<dyn Error>> {
        let rule = file.template().requirement(key.as_str()).ok_or("the template has it")?;
        let today = self.today();
        self.editions += 1;
        let mut new =
            papers::files(rule, self.editions).into_iter().fold(NewSubmission::direct(), NewSubmission::file);
        new = new.form(papers::form(rule)).issued(today);
        if rule.expires() {
            new =
                new.valid_until(today.plus_months(if key.as_str() == "medical_certificate" { 6 } else { 9 }));
        }
        let submitted =
            self.employee.submit(self.case, key, new).await?.accepted().ok_or("it is what it says")?;
        for attestation in rule.attestations() {
            let (requirement, attestation) = (key.clone(), attestation.clone());
            let (version, digest) = (submitted.version, submitted.digest);
            self.office[0]
                .act(self.case, Command::Attest { requirement, version, digest, attestation })
                .await?;
        }
        for reviewer in self.office.iter().take(rule.approvals_needed()) {
            reviewer.act(self.case, submitted.approve()).await?;
        }
        Ok(())
    }

    fn today(&self) -> Date {
        Date::at(self.calendar.now(), UtcOffset::default())
    }
}

fn words(kind: ReminderKind) -> String {
    match kind {
        ReminderKind::Due(day) => format!("is due on {day}"),
        ReminderKind::Expired(day) => format!("expired on {day}"),
        ReminderKind::Expiring(day) => format!("expires on {day}"),
        ReminderKind::Late(day) => format!("was due on {day}"),
        ReminderKind::Overdue(day) => format!("is overdue since {day}"),
        _ => "needs attention".to_owned(),
    }
}
