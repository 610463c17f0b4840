//! What people are shown of a case.

use super::*;

#[test]
fn late_is_late_after_the_day_and_overdue_after_the_grace() {
    let case = Case::new();
    let timeliness = |now| case.standing(now, "id").timeliness;
    assert_eq!(case.standing(at("2026-03-01", 9), "id").due, Some(date("2026-03-11")));
    assert_eq!(timeliness(at("2026-03-11", 23)), Timeliness::NotDue);
    assert_eq!(timeliness(at("2026-03-12", 0)), Timeliness::Late);
    assert_eq!(timeliness(at("2026-03-13", 23)), Timeliness::Late);
    assert_eq!(timeliness(at("2026-03-14", 0)), Timeliness::Overdue);
    assert_eq!(case.standing(at("2026-05-01", 0), "spouse").timeliness, Timeliness::NotDue);
}

#[test]
fn handed_in_late_stays_so_and_a_day_that_was_set_counts() {
    let mut case = Case::new();
    case.submit(at("2026-03-12", 0), "id");
    assert_eq!(case.standing(at("2026-03-12", 1), "id").timeliness, Timeliness::HandedInLate);
    case.run(at("2026-03-12", 1), Command::SetDue { requirement: key("id"), due: Some(date("2026-03-12")) });
    assert_eq!(case.standing(at("2026-03-30", 1), "id").timeliness, Timeliness::InTime);
}

#[test]
fn a_document_expires_by_itself_and_is_due_again() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "id");
    case.approve(at("2026-03-02", 1), "id", Some("2026-06-30"));
    assert_eq!(case.standing(at("2026-06-30", 23), "id").standing, Standing::Approved);
    let after = case.standing(at("2026-07-01", 0), "id");
    assert_eq!((after.standing, after.met, after.timeliness), (Standing::Expired, false, Timeliness::Late));
    assert_eq!(case.standing(at("2026-07-03", 0), "id").timeliness, Timeliness::Overdue);
    let expiring = |now| case.state.expiring(&case.template, now).expect("its template");
    assert_eq!(expiring(at("2026-05-30", 0)), []);
    assert_eq!(expiring(at("2026-05-31", 0)).first().map(|one| one.days_left), Some(30));
    assert_eq!(expiring(at("2026-07-02", 0)).first().map(|one| one.days_left), Some(-2));
}

#[test]
fn reminders_keep_their_instant_until_something_newer_is_to_be_said() {
    let mut case = Case::new();
    let remind = |case: &Case, now| {
        let all = case.state.due_reminders(&case.template, now).expect("its template");
        all.into_iter().find(|one| one.requirement == *"id").map(|one| (one.since, one.kind))
    };
    let due = date("2026-03-11");
    assert_eq!(remind(&case, at("2026-03-07", 23)), None);
    for (now, since, kind) in [
        ("2026-03-08", "2026-03-08", ReminderKind::Due(due)),
        ("2026-03-09", "2026-03-08", ReminderKind::Due(due)),
        ("2026-03-10", "2026-03-10", ReminderKind::Due(due)),
        ("2026-03-12", "2026-03-12", ReminderKind::Late(due)),
        ("2026-04-20", "2026-03-14", ReminderKind::Overdue(due)),
    ] {
        assert_eq!(remind(&case, at(now, 5)), Some((at(since, 0), kind)), "{now}");
    }
    case.submit(at("2026-04-21", 0), "id");
    assert_eq!(remind(&case, at("2026-04-21", 1)), None);
    case.approve(at("2026-04-21", 2), "id", Some("2026-06-30"));
    let last = date("2026-06-30");
    assert_eq!(remind(&case, at("2026-06-10", 0)), Some((at("2026-05-31", 0), ReminderKind::Expiring(last))));
    assert_eq!(remind(&case, at("2026-07-10", 0)), Some((at("2026-07-01", 0), ReminderKind::Expired(last))));
}

#[test]
fn a_digest_reads_well_in_both_languages_and_is_escaped() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "form");
    case.submit(at("2026-03-02", 0), "id");
    case.reject(at("2026-03-02", 1), "id", "borrosa <b>\n\"otra\" & 'más'");
    let digest =
        |language| case.state.digest(&case.template, at("2026-03-03", 0), language).expect("its template");
    assert_eq!(
        digest(Language::ES).to_text(),
        "Prueba <1>: 0 % completo\n\n\
         Por corregir\n- Identificación (se entrega a más tardar el 2026-03-11): borrosa <b> \"otra\" & 'más'\n\n\
         En revisión\n- Solicitud\n"
    );
    assert_eq!(
        digest(Language::EN).to_html(),
        "<section lang=\"en\">\n<h1>Test &amp; more</h1>\n<p>0 % complete</p>\n\
         <h2>To be corrected</h2>\n<ul>\n<li>Identification (due on 2026-03-11): borrosa &lt;b&gt; &quot;otra&quot; &amp; &#39;más&#39;</li>\n</ul>\n\
         <h2>Under review</h2>\n<ul>\n<li>Form</li>\n</ul>\n</section>\n"
    );
}

#[test]
fn a_digest_says_what_is_needed_what_was_asked_for_anew_and_what_expires() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "id");
    case.approve(at("2026-03-02", 1), "id", Some("2026-06-30"));
    case.submit(at("2026-03-02", 2), "spouse");
    let (requirement, reason) = (key("spouse"), "falta el sello".to_owned());
    case.run(at("2026-03-02", 3), Command::AskAgain { requirement, reason, due: None });
    let digest = |day| case.state.digest(&case.template, at(day, 0), Language::ES).expect("its template");
    let head = "Prueba <1>: 50 % completo\n\n\
         Pendientes\n- Solicitud\n- Acta (opcional): falta el sello\n\n";
    let id = "- Identificación (vigente hasta el 2026-06-30)\n";
    assert_eq!(digest("2026-05-30").to_text(), format!("{head}Aprobados\n{id}"));
    assert_eq!(digest("2026-05-31").to_text(), format!("{head}Vencidos o por vencer\n{id}"));
}

#[test]
fn a_projection_has_nothing_of_a_person() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "form");
    case.submit(at("2026-03-02", 0), "id");
    case.reject(at("2026-03-02", 1), "id", "Rosa firmó por Juan");
    let text = "Juan llamó".to_owned();
    case.run(at("2026-03-02", 2), Command::Comment { requirement: None, text, audience: Audience::Office });
    let projection = case.state.projection(&case.template, at("2026-03-03", 0)).expect("its template");
    let json = serde_json::to_string(&projection).expect("JSON");
    for personal in ["Juan", "Rosa", "rosa", "firm", "client-7", "ana@desk", "reason", "comment", "contact"] {
        assert!(!json.contains(personal), "{personal} in {json}");
    }
    assert!(json.contains(r#""requirement":"id","required":true,"standing":"rejected""#), "{json}");
}

#[test]
fn what_came_from_outside_is_never_forgotten() {
    let mut case = Case::new();
    let received_at = at("2026-03-02", 0);
    let external = Origin::External { channel: key("whatsapp"), received_at, by: "eva".into() };
    let mut submission = case.submission("id");
    submission.origin = external.clone();
    let command = Command::Submit { requirement: key("id"), submission };
    assert_eq!(case.decide(at("2026-03-01", 23), command.clone()), Err(Refusal::InTheFuture));
    case.run(at("2026-03-20", 0), command);
    let standing = case.standing(at("2026-03-20", 0), "id");
    assert_eq!((standing.origin, standing.timeliness), (Some(external), Timeliness::InTime));
    case.submit(at("2026-03-21", 0), "id");
    assert_eq!((case.standing(at("2026-03-21", 0), "id").imports, case.state.events()), (1, 3));
}
